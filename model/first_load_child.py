"""What runs in the confined child: `first_load` reads what it leaves."""

import json
from pathlib import Path

from model.contents import Contents
from model.first_load import FILES_FOLDER, ORDER_FILE, RESULT_FILE, load_here
from model.folders import files_below


def main(folder: Path) -> None:
    """Load the model in `folder`, and write its contract and its answer to the example."""
    order = json.loads((folder / ORDER_FILE).read_bytes())
    source = folder / FILES_FOLDER
    files = {path: (source / path).read_bytes() for path in files_below(source)}
    contents = Contents(order["artifact"], files)
    loaded = load_here(contents, order["name"], order["version"], order["trusted"])
    result = {"contract": loaded.contract.to_json(), "golden": loaded.golden}
    (folder / RESULT_FILE).write_text(json.dumps(result, allow_nan=False))


if __name__ == "__main__":
    main(Path.cwd())
