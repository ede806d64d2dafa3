"""The composition roots for Gunicorn, where everything is put together.

`predictions:app()` answers predictions and holds public keys only; `tokens:token_app()` gives
tokens and imports no model; `joined:joined_app()` is both in one process, for `make run`.
"""
