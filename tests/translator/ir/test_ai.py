"""The API of a client by the path of its request."""

from __future__ import annotations

import pytest

from translator.ir.ai import ClientApi, client_api


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/v1/messages", ClientApi.ANTHROPIC),
        ("/team/v1/messages?beta=true", ClientApi.ANTHROPIC),
        ("/v1/messages/", ClientApi.ANTHROPIC),
        ("/v1/messages/count_tokens", ClientApi.ANTHROPIC),
        ("/v1/chat/completions", ClientApi.OPENAI),
        ("/v1/embeddings", ClientApi.OPENAI),
        ("/v1/models", ClientApi.OPENAI),
        ("/v1/my-messages", ClientApi.OPENAI),
        ("/", ClientApi.OPENAI),
    ],
)
def test_the_end_of_the_path_decides(path: str, api: ClientApi) -> None:
    """Paths that end as Anthropic's do are of its API, and all others of OpenAI's."""
    assert client_api(path) is api
