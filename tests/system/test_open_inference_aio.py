"""tritonclient's asynchronous client against the running stack."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from compatibility import Matrix
from stack_process import Stack, bearer
from triton_calls import (
    AIO,
    DENSE,
    MIXED,
    PROTOCOL,
    VARIANTS,
    column_inputs,
    matrix_input,
    require_answer,
    travelling,
)
from tritonclient.http.aio import InferenceServerClient

Calls = Callable[[InferenceServerClient], Awaitable[Any]]


@pytest.fixture(scope="module")
def run(stack: Stack) -> Callable[[Calls], Any]:
    """Runs calls with a client of their own."""
    context = ssl.create_default_context(cafile=str(stack.data_dir / "tls" / "ca.pem"))

    async def calling(calls: Calls) -> Any:
        url = stack.base_url.removeprefix("https://")
        async with InferenceServerClient(url, ssl=True, ssl_context=context) as client:
            return await calls(client)

    return lambda calls: asyncio.run(calling(calls))


def test_it_finds_server_and_model(run: Callable[[Calls], Any], token: str, matrix: Matrix) -> None:
    """Health needs no token; all else does."""
    headers = bearer(token)

    async def calls(client: InferenceServerClient) -> dict[str, Any]:
        return {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model ready": await client.is_model_ready(DENSE, headers=headers),
            "server metadata": await client.get_server_metadata(headers=headers),
            "model metadata": await client.get_model_metadata(DENSE, headers=headers),
            "index": await client.get_model_repository_index(headers=headers),
        }

    answers = run(calls)

    assert all(answers.values())
    assert answers["model metadata"]["name"] == DENSE
    for call in answers:
        matrix.works(AIO, PROTOCOL, call)


def test_it_predicts(
    run: Callable[[Calls], Any],
    token: str,
    dense_answer: dict[str, Any],
    mixed_answer: dict[str, Any],
    matrix: Matrix,
) -> None:
    """Every way to send and to receive, numbers and mixed types, all calls at the same time."""

    async def calls(client: InferenceServerClient) -> list[Any]:
        dense = [
            client.infer(DENSE, matrix_input(v), **travelling(v, bearer(token))) for v in VARIANTS
        ]
        mixed = [
            client.infer(MIXED, column_inputs(v), **travelling(v, bearer(token))) for v in VARIANTS
        ]
        return await asyncio.gather(*dense, *mixed)

    results = run(calls)

    for variant, result in zip(VARIANTS, results[: len(VARIANTS)], strict=True):
        require_answer(result, dense_answer)
        matrix.works(AIO, PROTOCOL, "infer, numbers in one tensor", str(variant))
    for variant, result in zip(VARIANTS, results[len(VARIANTS) :], strict=True):
        require_answer(result, mixed_answer)
        matrix.works(AIO, PROTOCOL, "infer, mixed types with BYTES", str(variant))
