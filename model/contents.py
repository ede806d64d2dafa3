"""The files a version is made of, and the model they make."""

from pathlib import Path

from model.artifact import ARTIFACT_SUFFIXES, read_bytes, unpickle
from model.declaration import DECLARATION_FILE, parse_declaration
from model.errors import ArtifactRejected
from model.estimator import EstimatorModel
from model.folders import entries
from model.protocol import Model


def find_artifact(source: Path) -> Path:
    """The model file that is `source`, or the only one in that folder."""
    candidates = [source] if source.is_file() else [source / entry for entry in entries(source)]
    artifacts = [path for path in candidates if path.suffix in ARTIFACT_SUFFIXES]
    if len(artifacts) != 1:
        raise ArtifactRejected(
            f"{source.name} has {len(artifacts)} model files where one is needed "
            f"({', '.join(ARTIFACT_SUFFIXES)}); name the file itself."
        )
    return artifacts[0]


def read_contents(artifact: Path) -> dict[str, bytes]:
    """The files of a new version by name: the artifact and, if there is one, its model.toml."""
    contents = {artifact.name: read_bytes(artifact)}
    declaration = artifact.with_name(DECLARATION_FILE)
    if declaration.exists():
        contents[DECLARATION_FILE] = read_bytes(declaration)
    return contents


def build_model(artifact: str, contents: dict[str, bytes], name: str, version: str) -> Model:
    """The model that these files make. Runs the artifact's code, so its bytes must be trusted.

    Raises:
        ArtifactRejected: it cannot be loaded or served, or contradicts its model.toml.
    """
    # The description is read first: it costs nothing, and it runs nothing.
    declaration = parse_declaration(contents.get(DECLARATION_FILE, b""))
    estimator = unpickle(contents[artifact], artifact)
    try:
        return EstimatorModel(estimator, name, version, declaration)
    except ArtifactRejected:
        raise
    except Exception as exc:
        raise ArtifactRejected(f"{artifact} cannot be served ({type(exc).__name__}).") from exc
