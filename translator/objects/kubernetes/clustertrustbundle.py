"""ClusterTrustBundle of certificates.k8s.io: CA certificates for the whole cluster (GEP-5075)."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from translator.objects.schema.base import ClusterMeta, ClusterObject, Fields
from translator.objects.schema.scalars import BUNDLE_NAME, Text

BundleName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=BUNDLE_NAME)]


class BundleMeta(ClusterMeta):
    """The metadata of a bundle: its name may begin with that of its signer, with colons for slashes."""

    name: BundleName


class ClusterTrustBundleSpec(Fields):
    """Who signs with the CAs, if that is known, and their certificates in PEM."""

    signer_name: Text | None = None
    trust_bundle: Text


class ClusterTrustBundle(ClusterObject):
    """CA certificates that everybody in the cluster may read."""

    kind = "ClusterTrustBundle"
    group = "certificates.k8s.io"
    versions = ("v1", "v1beta1")
    plural = "clustertrustbundles"
    on_demand = True
    rbac_reason = "Read CA certificates: metadata is watched, and only referenced ClusterTrustBundles are read."

    metadata: BundleMeta
    spec: ClusterTrustBundleSpec
