"""Policies that filters name: of one rule of a route, or of one backendRef."""

from __future__ import annotations

from collections.abc import Iterable

from translator.extension import FilterContext, FilterOutcome, FilterReader
from translator.kinds import Level, PolicyKind
from translator.objects.gateway_api.filters import RouteFilter
from translator.outcome import Outcome, not_resolved
from translator.refs import Ref

TYPE = "ExtensionRef"


def policy_filter(kinds: Iterable[PolicyKind]) -> FilterReader:
    """Return the reader of filters that name policies of these kinds: it finds those that do not exist.

    What the policies say is merged with those of other levels (`translator.policies.effective`), so the filter itself
    gives no settings.
    """
    models = {(each.model.group, each.model.kind): each.model for each in kinds if Level.EXTENSION_REF in each.levels}

    def accepts(found: RouteFilter) -> bool:
        reference = found.extension_ref
        return reference is not None and (reference.group, reference.kind) in models

    def read(site: FilterContext) -> FilterOutcome:
        for field, each in site.filters_of(TYPE):
            if each.extension_ref is None or not accepts(each):
                continue
            ref = Ref(each.extension_ref.kind, site.route.namespace, each.extension_ref.name)
            if site.db.get(models[each.extension_ref.group, ref.kind], ref) is None and site.db.invalid(ref) is None:
                text = f"{field}.extensionRef: {ref} does not exist; create it or correct the reference."
                return not_resolved("BackendNotFound", text)
        return Outcome(())

    return FilterReader(read, types=(TYPE,), accepts=accepts, on_backends=True)
