"""Why a file is not scored."""


class ScoringFailed(Exception):
    """It cannot go on. The message is one sentence or two for whoever typed the command."""


class Stopped(Exception):
    """Somebody wants it to end, while it was waiting."""
