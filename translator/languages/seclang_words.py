"""The words of ModSecurity's directives that users may write, and what may follow each."""

from __future__ import annotations

import re
from typing import Final

OPERATORS: Final = frozenset(
    (
        *("beginsWith", "contains", "containsWord", "detectSQLi", "detectXSS", "endsWith", "eq", "ge", "gt", "ipMatch"),
        *("le", "lt", "noMatch", "pm", "rx", "streq", "strmatch", "unconditionalMatch", "validateByteRange"),
        *("validateUrlEncoding", "validateUtf8Encoding", "within"),
    )
)
NUMERIC: Final = frozenset(("eq", "ge", "gt", "le", "lt"))
"""Operators that compare numbers."""
FLAGS: Final = frozenset(
    ("allow", "auditlog", "block", "capture", "chain", "deny", "log", "multiMatch", "noauditlog", "nolog", "pass")
)
"""Actions that need no value."""
_IDS: Final = r"\d{1,9}(?:-\d{1,9})?"
VALUES: Final = {
    name: re.compile(pattern, re.DOTALL)
    for name, pattern in {
        "accuracy": r"[1-9]",
        "allow": r"phase|request",
        "ctl": r"forceRequestBodyVariable=(?:On|Off)|requestBodyProcessor=(?:JSON|XML|URLENCODED)|"
        r"ruleEngine=(?:On|Off|DetectionOnly)|"
        rf"ruleRemoveById={_IDS}|ruleRemoveByTag=[\w/.-]+|"
        r"ruleRemoveTargetById=\d{1,9};.+|ruleRemoveTargetByTag=[\w/.-]+;.+",
        "id": r"\d{1,9}",
        "logdata": r".*",
        "maturity": r"[1-9]",
        "msg": r".*",
        "phase": r"[1-5]|request|response|logging",
        "rev": r"[\w/.-]*",
        "setvar": r"!?tx\.[A-Za-z0-9_.-]+(?:=[^'\"]*)?",
        "severity": r"[0-7]|EMERGENCY|ALERT|CRITICAL|ERROR|WARNING|NOTICE|INFO|DEBUG",
        "skip": r"\d{1,4}",
        "skipAfter": r"[A-Za-z0-9_.-]{1,100}",
        "status": r"[45]\d\d",
        "t": r"none|base64Decode|base64DecodeExt|base64Encode|cmdLine|compressWhitespace|cssDecode|escapeSeqDecode|"
        r"hexDecode|hexEncode|htmlEntityDecode|jsDecode|length|lowercase|md5|normali[sz]ePath(?:Win)?|removeComments|"
        r"removeCommentsChar|removeNulls|removeWhitespace|replaceComments|replaceNulls|sha1|sqlHexDecode|trim|trimLeft|"
        r"trimRight|uppercase|urlDecode|urlDecodeUni|urlEncode|utf8toUnicode",
        "tag": r"[\w/. -]+",
        "ver": r"[\w/. -]*",
    }.items()
}
"""By the names of actions, the values that they may have."""
VARIABLES: Final = frozenset(
    (
        *("ARGS", "ARGS_COMBINED_SIZE", "ARGS_GET", "ARGS_GET_NAMES", "ARGS_NAMES", "ARGS_POST", "ARGS_POST_NAMES"),
        *("FILES", "FILES_COMBINED_SIZE", "FILES_NAMES", "FILES_SIZES", "FULL_REQUEST", "FULL_REQUEST_LENGTH"),
        *("MATCHED_VAR", "MATCHED_VARS", "MATCHED_VARS_NAMES", "MATCHED_VAR_NAME", "MULTIPART_FILENAME"),
        *("MULTIPART_NAME", "MULTIPART_PART_HEADERS", "MULTIPART_STRICT_ERROR", "QUERY_STRING", "REMOTE_ADDR"),
        *("REQBODY_ERROR", "REQBODY_PROCESSOR", "REQUEST_BASENAME", "REQUEST_BODY", "REQUEST_BODY_LENGTH"),
        *("REQUEST_COOKIES", "REQUEST_COOKIES_NAMES", "REQUEST_FILENAME", "REQUEST_HEADERS", "REQUEST_HEADERS_NAMES"),
        *("REQUEST_LINE", "REQUEST_METHOD", "REQUEST_PROTOCOL", "REQUEST_URI", "REQUEST_URI_RAW", "RESPONSE_BODY"),
        *("RESPONSE_CONTENT_LENGTH", "RESPONSE_CONTENT_TYPE", "RESPONSE_HEADERS", "RESPONSE_HEADERS_NAMES"),
        *("RESPONSE_STATUS", "TIME_HOUR", "TIME_WDAY", "TX", "UNIQUE_ID", "URLENCODED_ERROR", "XML"),
    )
)
"""Parts of requests and responses; none that tells of the machine, as ENV does."""
