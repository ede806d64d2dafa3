"""What is taken of a folder that somebody brings, and what is refused."""

import os

import pytest

from model import ArtifactRejected
from model.contents import read_contents
from model.source_files import MAX_FILES

CLASS = "class Model:\n    def predict(self, X): return X\n"


@pytest.fixture
def source(tmp_path):
    """The folder of a class, with a file of its own."""
    folder = tmp_path / "source"
    (folder / "data").mkdir(parents=True)
    (folder / "Model.py").write_text(CLASS)
    (folder / "data" / "table.csv").write_text("1\n")
    return folder


def test_all_files_of_a_class_are_taken_but_what_tools_leave_there(source):
    """Its code may read any of them; a signature is no part of what is signed."""
    (source / "__pycache__").mkdir()
    for left in ("__pycache__/Model.pyc", ".secret", "old.pyc", "model.sig"):
        (source / left).write_bytes(b"x")
    (source / "same.csv").symlink_to("data/table.csv")
    contents = read_contents(source)

    assert contents.artifact == "Model.py"
    assert sorted(contents.files) == ["Model.py", "data/table.csv", "same.csv"]
    assert contents.files["same.csv"] == b"1\n"


@pytest.mark.parametrize("target", ["../key.pem", "{outside}/key.pem"])
def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path, source, target):
    """Else its code would read what whoever adds it may read: a signing key, and tell its callers.

    Links to whole folders are not followed either.
    """
    (tmp_path / "key.pem").write_text("private")
    (source / "data.bin").symlink_to(target.format(outside=tmp_path))

    with pytest.raises(ArtifactRejected, match=r"data\.bin is a link that leads out of the folder"):
        read_contents(source)


@pytest.mark.parametrize(
    ("target", "says"), [("data", "link to a folder"), ("gone", "link that leads nowhere")]
)
def test_other_links_are_refused_by_name(source, target, says):
    """Each with what to put in its place."""
    (source / "other").symlink_to(target)

    with pytest.raises(ArtifactRejected, match=says):
        read_contents(source)


def test_what_is_no_file_is_refused_and_not_waited_for(source):
    """A pipe would never end."""
    os.mkfifo(source / "pipe")

    with pytest.raises(ArtifactRejected, match="no ordinary file"):
        read_contents(source)


def test_the_number_of_files_is_bounded(source):
    """One more is too many."""
    for number in range(MAX_FILES - 2):
        (source / f"{number}.txt").touch()
    assert len(read_contents(source).files) == MAX_FILES
    (source / "last.txt").touch()

    with pytest.raises(ArtifactRejected, match=f"more than {MAX_FILES} files"):
        read_contents(source)
