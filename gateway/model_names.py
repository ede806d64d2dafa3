"""Model names in the paths of both apps."""

from werkzeug.routing import BaseConverter


class ModelNameConverter(BaseConverter):
    """Model names as they stand in paths and scopes."""

    regex = "[a-z0-9][a-z0-9._-]{0,62}"
