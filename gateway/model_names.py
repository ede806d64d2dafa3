"""Model names and versions in the paths of both apps."""

from werkzeug.routing import BaseConverter


class ModelNameConverter(BaseConverter):
    """Model names as they stand in paths and scopes."""

    regex = "[a-z0-9][a-z0-9._-]{0,62}"


class ModelVersionConverter(BaseConverter):
    """Versions as they stand in paths: with a colon, which begins a method, none is one."""

    regex = "[0-9A-Za-z][0-9A-Za-z._-]{0,31}"
