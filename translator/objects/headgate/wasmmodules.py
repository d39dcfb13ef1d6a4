"""The unit `wasm` of TrafficPolicies: modules of WebAssembly that see requests and responses, and change them."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, StringConstraints

from translator.objects.headgate.filterentries import OneName, ends_all, object_violations
from translator.objects.headgate.jwt import HttpUrl
from translator.objects.headgate.references import SecretReference
from translator.objects.headgate.responses import JsonObject
from translator.objects.headgate.types import Disableable
from translator.objects.schema.base import CelRule, CheckedFields, Fields, FieldViolation, exactly_one
from translator.objects.schema.documentation import Doc
from translator.objects.schema.merging import ATOMIC, ByKey
from translator.objects.schema.scalars import IMAGE, PRINTABLE, SHA256, VARIABLE, Boolean, DataKey, ObjectName, PortName

MOST_MODULES: Final = 4
"""How many modules a request may pass of those of policies."""
MODULE_KEY: Final = "wasm"
"""The key of a ConfigMap in which a module is, unless another is named."""

Sha256 = Annotated[str, StringConstraints(max_length=64, pattern=SHA256)]
ImageReference = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=IMAGE)]
RootId = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE)]
EnvironmentName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=VARIABLE)]

_ONE: Final = "must have either code or disable"


class ModuleConfigMap(Fields):
    """A key of a ConfigMap of the same namespace."""

    name: ObjectName
    """The name of the ConfigMap."""
    key: DataKey | None = None
    """The key in its `binaryData`. By default `wasm`."""


class ModuleUrl(Fields):
    """A URL at which a module is, which Headgate fetches."""

    url: HttpUrl
    """The URL. Redirections are followed."""
    sha256: Sha256
    """The SHA-256 of the module, as `sha256sum` prints it: what is another one is not used."""


class ModuleImage(Fields):
    """An image of a registry that holds a module, which Headgate pulls."""

    url: ImageReference
    """The image: `registry/repository:tag`, `registry/repository@sha256:…`, or with both."""
    sha256: Sha256 | None = None
    """The SHA-256 of the module in it: what is another one is not used. By default any is."""
    pull_secret_ref: SecretReference | None = None
    """A Secret by which it is pulled, of the type `kubernetes.io/dockerconfigjson`. By default it is pulled as by
    anybody."""


class ModuleCode(CheckedFields):
    """Where a module is."""

    one_of: ClassVar[tuple[tuple[str, ...], ...]] = (("image", "http", "config_map_ref"),)
    rules: ClassVar[tuple[CelRule, ...]] = (
        exactly_one("image", "http", "configMapRef", message="exactly one of image, http and configMapRef must be set"),
    )

    image: ModuleImage | None = None
    """An image of a registry."""
    http: ModuleUrl | None = None
    """A URL."""
    config_map_ref: ModuleConfigMap | None = None
    """A key of a ConfigMap."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield a violation unless exactly one member is set."""
        members = {"image": self.image, "http": self.http, "configMapRef": self.config_map_ref}
        given = [name for name, value in members.items() if value is not None]
        if len(given) != 1:
            found = f"; set are: {', '.join(given)}" if given else ""
            yield FieldViolation((), f"must have exactly one of image, http and configMapRef{found}")


class ModuleEnvironment(Fields):
    """Environment variables that a module sees."""

    host_keys: Annotated[
        tuple[EnvironmentName, ...] | None,
        Field(max_length=16),
        Doc(envoy="EnvironmentVariables.host_env_keys"),
    ] = None
    """Those of the proxy that it sees too. By default none."""


class WasmModule(Disableable):
    """A module of WebAssembly that sees requests and responses, and changes them."""

    rules: ClassVar[tuple[CelRule, ...]] = (CelRule("has(self.disable) != has(self.code)", _ONE),)
    beside_disable: ClassVar[frozenset[str]] = frozenset({"name"})

    name: Annotated[PortName, Doc(envoy="PluginConfig.name")] = ""
    """Its name, by which more specific policies replace it or switch it off. One entry may be without a name; with
    `disable` it switches off all of less specific policies."""
    code: Annotated[ModuleCode | None, ATOMIC, Doc(envoy="VmConfig.code")] = None
    """Where the module is."""
    root_id: Annotated[RootId | None, Field(alias="rootID"), Doc(envoy="PluginConfig.root_id")] = None
    """Which of the filters that the module has, if it has several. By default the one without a name."""
    config: Annotated[JsonObject | None, Doc(envoy="PluginConfig.configuration")] = None
    """A JSON object that the module gets, as text, when it is configured. It is no place for secrets."""
    fail_open: Annotated[Boolean | None, Doc(envoy="PluginConfig.failure_policy")] = None
    """Whether requests go on without it while it is not there, cannot be fetched, or has failed. By default false: they
    get 500, or 503."""
    env: ModuleEnvironment | None = None
    """What it sees of the environment of the proxy."""

    def violations(self) -> Iterator[FieldViolation]:
        """Yield violations of no module, and of a configuration that is too long, or no JSON for Envoy."""
        yield from super().violations()
        if (self.disable is None) == (self.code is None):
            yield FieldViolation((), _ONE)
        if self.config is not None:
            yield from object_violations("config", self.config)


ONE_MODULE: Final = OneName("wasm", "module")
WasmModules = Annotated[
    tuple[WasmModule, ...] | None,
    Field(max_length=MOST_MODULES),
    AfterValidator(ONE_MODULE),
    ByKey("name", ends=ends_all),
]
"""Modules, by their names."""
