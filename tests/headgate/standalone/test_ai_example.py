"""The example of models: the commands of its README, without a key, and the same with a provider that has one."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.ai.clients import openai_client
from tests.ai.provider import provider
from tests.ai.vendors import Vendor
from tests.headgate.running import Headgate, free_port

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[3] / "examples" / "ai"
README = (EXAMPLE / "README.md").read_text()
OPENAI = "openai: {}\n"


def copied(headgate: Headgate, local: int, place: str = "") -> None:
    """Copy the example with free ports; `place` says where OpenAI is."""
    for each in EXAMPLE.glob("*.yaml"):
        text = re.sub(r"\b8080\b", str(headgate.port), re.sub(r"\b18090\b", str(local), each.read_text()))
        headgate.write(each.stem, text.replace(OPENAI, OPENAI + place))


async def asked(command: str) -> Any:
    """Return what a command of the README shows, as JSON."""
    process = await asyncio.create_subprocess_exec("bash", "-c", command.replace("curl", "curl -s"), stdout=-1)
    out, _ = await process.communicate()
    return json.loads(out)


async def heard(client: openai.AsyncOpenAI) -> str:
    """Ask, and return the answer."""
    found = await client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "Hi"}])
    return str(found.choices[0].message.content)


async def test_the_example_needs_one_secret_to_be_real(headgate: Headgate, tmp_path: Path) -> None:
    """Without a key the provider on this machine answers, masked and streamed; with the Secret OpenAI does."""
    headgate.folder = tmp_path / "ai"
    headgate.folder.mkdir()
    headgate.arguments = ("--local-backends",)
    serve, run, models, chat = (line.strip() for line in README.splitlines() if line.startswith("    "))
    assert (serve, run) == ("python3 examples/ai/provider.py", "headgate run examples/ai")
    local = free_port()
    async with provider("OpenAI", Vendor.OPENAI, "sk-real") as real:
        place = f"        host: 127.0.0.1\n        port: {real.port}\n        tls: {{disable: {{}}}}\n"
        copied(headgate, local, place)
        process = await asyncio.create_subprocess_exec(sys.executable, EXAMPLE / "provider.py", str(local), stdout=-1)
        try:
            assert process.stdout is not None
            await process.stdout.readline()
            await headgate.start()
            await headgate.condition("web", "Programmed", "True")
            found = await asked(models.replace("8080", str(headgate.port)))
            assert [each["id"] for each in found["data"]] == ["gpt-5-mini", "echo"]
            found = await asked(chat.replace("8080", str(headgate.port)))
            assert found["choices"][0]["message"]["content"] == "echo on this machine heard you say: I am <EMAIL>"
            async with openai_client(f"http://127.0.0.1:{headgate.port}/v1", "none") as client:
                said: Any = [{"role": "user", "content": "Hi"}]
                chunks = await client.chat.completions.create(model="gpt-5", messages=said, stream=True)
                text = "".join([each.choices[0].delta.content or "" async for each in chunks if each.choices])
                assert text == await heard(client) == "echo on this machine heard you say: Hi"
                headgate.write("secret", secret("sk-real"))
                async with asyncio.timeout(20):
                    while await heard(client) != real.text:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                await real.stop()
                assert "echo on this machine" in await heard(client)
        finally:
            process.kill()
            await process.wait()


def secret(key: str) -> str:
    """Return the Secret of the README, with a key."""
    found = re.search(r"^```yaml\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1].replace("sk-…", key)
