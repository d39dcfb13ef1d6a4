"""Lists of addresses whose requests are let in, or refused: the unit `acl` of TrafficPolicies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from headgate_proto.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC, RBACPerRoute
from headgate_proto.envoy.extensions.http.custom_response.local_response_policy.v3.local_response_policy_pb2 import (
    LocalResponsePolicy,
)
from headgate_proto.envoy.extensions.matching.common_inputs.network.v3.network_inputs_pb2 import SourceIPInput
from headgate_proto.xds.type.matcher.v3.ip_pb2 import IPMatcher
from headgate_proto.xds.type.matcher.v3.matcher_pb2 import Matcher
from translator.envoy.cel import cel_matcher, text
from translator.envoy.filter_entries import CustomResponse, FilterConfig, FilterEntry, SlotFilter
from translator.envoy.hooks import FilterHook
from translator.envoy.http_filters import ACL, ACL_ENFORCED
from translator.envoy.predicates import cidr_range, decision
from translator.extension import TABLE, Extension, FilterOutcome, PolicyContext, PolicyUnit
from translator.extensions.local_response import Body, LocalResponse, header_pairs
from translator.ir.http import RuleSetting
from translator.objects.headgate.accesslists import AccessList
from translator.objects.headgate.trafficpolicy import TrafficPolicy
from translator.outcome import Outcome
from translator.refs import Ref

UNNAMED: Final = "rule"
DEFAULT: Final = "default"
FORBIDDEN: Final = 403
BODY: Final = Body("RBAC: access denied")
"""What Envoy's own response says."""


@dataclass(frozen=True, slots=True)
class AddressList(RuleSetting, FilterHook):
    """The addresses from which requests are let in.

    Attributes:
        found: what the policy says.
        policy: the policy, for access logs.
        place: among those that are enforced in addition to what more specific policies say; None for these.
    """

    found: AccessList
    policy: Ref
    place: int | None = None

    def filter_configs(self) -> Iterator[FilterEntry]:
        """Yield the ``RBAC`` filter, and a ``LocalResponsePolicy`` for each rule that refuses."""
        made = RBAC(matcher=self._matcher())
        if self.place is None:
            yield FilterConfig(ACL, RBACPerRoute(rbac=made))
        else:
            yield SlotFilter(ACL_ENFORCED, f"acl.{self.place}", made, weight=-self.place)
        if self.found.deny_response is not None:
            for number, name, allows in self._rules():
                if not allows:
                    details = f"rbac_access_denied_matched_policy[{self._decision_name(number, name)}]"
                    predicate = cel_matcher(f"response.code_details == {text(details)}")
                    yield CustomResponse(predicate, self._response(name), rank=-1)

    def _rules(self) -> Iterator[tuple[int, str, bool]]:
        """Yield the number and name of each rule, and whether it allows; the default has the number -1."""
        yield -1, DEFAULT, self.found.default_action == "Allow"
        for number, rule in enumerate(self.found.rules_ or ()):
            yield number, rule.name or UNNAMED, rule.action == "Allow"

    def _decision_name(self, number: int, name: str) -> str:
        which = "" if self.place is None else f"{self.place}/"
        # Numbers tell apart rules without a name, and one that is called like the default.
        return f"acl/{which}{self.policy.namespace}/{self.policy.name}/{f'{number}/' if number >= 0 else ''}{name}"

    def _matcher(self) -> Matcher:
        made, addresses = Matcher(), IPMatcher()
        decisions = {
            number: decision(self._decision_name(number, name), allows) for number, name, allows in self._rules()
        }
        for number, rule in enumerate(self.found.rules_ or ()):
            ranges = addresses.range_matchers.add()
            ranges.ranges.extend(map(cidr_range, dict.fromkeys(rule.cidrs)))
            ranges.on_match.CopyFrom(decisions[number])
        made.on_no_match.CopyFrom(decisions[-1])
        if not addresses.range_matchers:
            return made
        tree = made.matcher_tree
        tree.input.name = "address"
        tree.input.typed_config.Pack(SourceIPInput(), deterministic=True)
        tree.custom_match.name = "ranges"
        tree.custom_match.typed_config.Pack(addresses, deterministic=True)
        return made

    def _response(self, name: str) -> LocalResponsePolicy:
        said = self.found.deny_response
        assert said is not None
        headers = header_pairs(said.headers)
        if said.blocked_by_header_name is not None:
            headers = (*headers, (said.blocked_by_header_name, name))
        response = LocalResponse(said.status_code or FORBIDDEN, BODY, headers)
        made = LocalResponsePolicy()
        made.status_code.value = response.status
        response.body.write(made)
        made.response_headers_to_add.extend(response.headers())
        return made


def read(context: PolicyContext) -> FilterOutcome:
    """Read an effective list."""
    found = context.effective.value
    assert isinstance(found, AccessList)
    if found.disable is not None:
        return Outcome(())
    return Outcome((AddressList(found, context.origin(""), context.place),))


EXTENSION = Extension(
    "access lists",
    units=(PolicyUnit(TrafficPolicy, "acl", read, AddressList, closed=True, inherit=TABLE, enforced_beside=True),),
)
