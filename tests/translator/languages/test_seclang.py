"""Directives of ModSecurity: what users may write, and what not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translator.languages.seclang import MOST_CHARACTERS, MOST_MACROS, Directives, SecLangError, read_directives

RULE = 'SecRule ARGS:x "@rx ^a\\"b" "id:1,phase:2,deny,status:403,t:none,msg:\'no, not this\'"'


def test_rules_and_changes() -> None:
    """Rules, and changes of rules, are read apart from each other and written plainly; comments are left out."""
    text = f"""
    # a comment
    {RULE}
    SecRuleRemoveById 942100 942200-942299
    SecAction "id:2, phase:1, \\
        pass, nolog, \\
        setvar:'tx.mine=1'"
    SecRule ARGS "@pm a b" "id:3,phase:2,block,chain"
      SecRule REQUEST_HEADERS:User-Agent !@streq "t:lowercase"
    SecMarker END
    SecRuleUpdateTargetByTag "attack-sqli" "!ARGS:comment|!ARGS:/^re:/"
    """
    assert read_directives(text) == Directives(
        (
            RULE.replace("ARGS:x", '"ARGS:x"'),
            "SecAction \"id:2, phase:1, pass, nolog, setvar:'tx.mine=1'\"",
            'SecRule "ARGS" "@pm a b" "id:3,phase:2,block,chain"',
            'SecRule "REQUEST_HEADERS:User-Agent" "!@streq" "t:lowercase"',
            'SecMarker "END"',
        ),
        (
            "SecRuleRemoveById 942100 942200-942299",
            'SecRuleUpdateTargetByTag "attack-sqli" "!ARGS:comment|!ARGS:/^re:/"',
        ),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SecRuleEngine Off", "is no directive that may be used here"),
        ("Include /etc/passwd", "is no directive that may be used here"),
        ("SecRemoteRules key https://example.com", "is no directive that may be used here"),
        ("SecAuditLog /tmp/log", "is no directive that may be used here"),
        ("SecDebugLog /tmp/log", "is no directive that may be used here"),
        ("secruleengine Off", "is no directive that may be used here"),
        (RULE.replace("@rx", "@pmFromFile"), "@pmFromFile cannot be used here"),
        (RULE.replace("@rx", "@ipMatchFromFile"), "@ipMatchFromFile cannot be used here"),
        (RULE.replace("@rx", "@inspectFile"), "@inspectFile cannot be used here"),
        (RULE.replace("@rx", "@rbl"), "@rbl cannot be used here"),
        (RULE.replace("@rx", "!@geoLookup"), "@geoLookup cannot be used here"),
        (RULE.replace("@rx", "@rx%{ENV.X}"), "the operator '@rx%{ENV.X}"),
        (RULE.replace("^a", "%{ENV.PATH}"), "%{ENV} cannot be used here"),
        (RULE.replace("ARGS:x", "NOTHING"), "cannot be used here"),
        (RULE.replace("ARGS:x", "ARGS|"), "do not end"),
        (RULE.replace("t:none", "t:nothing"), "cannot be used here: correct it"),
        (RULE.replace("ARGS:x", "ENV:PATH"), "cannot be used here"),
        (RULE.replace("ARGS:x", "env:PATH"), "cannot be used here"),
        (RULE.replace("deny", "exec:/bin/sh"), "the action 'exec' cannot be used here"),
        (RULE.replace("deny", "initcol:ip=%{REMOTE_ADDR}"), "the action 'initcol' cannot be used here"),
        (RULE.replace("deny", "proxy:http://example.com"), "the action 'proxy' cannot be used here"),
        (RULE.replace("deny", "redirect:http://example.com"), "the action 'redirect' cannot be used here"),
        (RULE.replace("deny", "setenv:a=b"), "the action 'setenv' cannot be used here"),
        (RULE.replace("deny", "setvar:ip.x=1"), "cannot be used here: correct it"),
        (RULE.replace("deny", "ctl:auditLogParts=+E"), "cannot be used here: correct it"),
        (RULE.replace("deny", "pass:1"), "takes no value"),
        (RULE.replace("phase:2", "phase:9"), "cannot be used here: correct it"),
        (RULE.replace("deny", "severity:high"), "cannot be used here: correct it"),
        (RULE.replace("^a", "a(b"), "is no regular expression"),
        (RULE.replace("ARGS:x", "ARGS:/a(/"), "is no regular expression"),
        (RULE.replace("@rx", "@eq"), "compares numbers"),
        ('SecRule ARGS "a(" "id:1"', "is no regular expression"),
        (RULE.replace("deny", "msg"), "the action 'msg' cannot be used here"),
        (RULE.replace("deny", "logdata:'%{ENV.PATH}'"), "%{ENV} cannot be used here"),
        (RULE.replace("deny", "setvar:tx.a=%{ARGS.a}%{ARGS.b}"), "has more than one macro"),
        (RULE.replace("deny", "setvar:tx.a=%{tx.b}x%{tx.b}"), "has more than one macro"),
        (RULE.replace("deny", "setvar:tx.a=% {tx.b}"), "one that cannot be read"),
        (RULE.replace("deny", "setvar:tx.a=%{ tx.b}"), "one that cannot be read"),
        (RULE.replace("deny", "setvar:tx.a=%{TX.A}x"), "line 1: setvar has %{tx.a}, which directives set, too"),
        (RULE.replace("deny", "setvar:'tx.A=+%{tx:a}'"), "setvar has %{tx.a}, which directives set, too"),
        (
            RULE.replace("deny", "setvar:tx.a=%{tx.b}") + "\n" + 'SecAction "id:2,setvar:tx.b=1"',
            "line 1: setvar has %{tx.b}, which directives set, too",
        ),
        (
            'SecAction "id:2,setvar:tx.b=1"\nSecRuleUpdateActionById 942100 "setvar:tx.b=%{tx.b}x"',
            "line 2: setvar has %{tx.b}, which directives set, too",
        ),
        (RULE.replace("no, not", "%{REQUEST_HEADERS.Authorization}"), "write them in logdata"),
        (
            RULE.replace("deny", "setvar:tx.blocking_inbound_anomaly_score=%{ARGS.a}"),
            "Core Rule Set's messages have it",
        ),
        ('SecRuleUpdateActionById 942100 "msg:%{ARGS}"', "write them in logdata"),
        (RULE.replace("deny", f"logdata:'{'%{ARGS.a}' * (MOST_MACROS + 1)}'"), "has more macros than 8"),
        (RULE.replace("status:403", "status:200"), "cannot be used here: correct it"),
        (RULE.replace("id:1,", ""), "a rule needs the action id"),
        (RULE.replace("id:1", "id:942100"), "a number from 1 to 99,999"),
        (RULE.replace("id:1", "id:x"), "cannot be used here: correct it"),
        (f"{RULE}\n{RULE}", "line 2: the id 1 is used twice"),
        (RULE.replace("deny", "deny,chain"), "nothing follows"),
        (RULE.replace("deny", "deny,chain") + '\nSecAction "id:2"', "follows a rule with `chain`"),
        (RULE.replace("deny", "deny,chain") + "\n" + RULE.replace("id:1", "id:2"), "has no id of its own"),
        ('SecRule ARGS "@rx a"', "SecRule has 2 arguments, and needs 3"),
        ('SecRule ARGS "@rx a" ""', "has no actions"),
        ('SecRule ARGS "@rx a" "id:1" "id:2"', "SecRule has 4 arguments"),
        ('SecRule ARGS "@rx a "id:1"', "cannot be read from"),
        ('SecRule ARGS "@rx a""id:1"', "cannot be read from"),
        ("SecRule ARGS '@rx a' \"id:1\"", "has 4 arguments"),
        ('SecRule ARGS "a" "id:1,,deny"', "the actions cannot be read from"),
        ("SecRuleRemoveById 942100;", "is no id of a rule"),
        ('SecRuleUpdateActionById 942100 "pass,id:1"', "cannot change 'id'"),
        ('SecRuleUpdateTargetById 942100 "ENV:X"', "cannot be used here"),
        ('SecMarker "a b"', "has other characters"),
        ("SecRuleRemoveById \\", "nothing follows"),
        ("# fine\nSecRuleRemoveById 1\x00", "line 2: has a control character"),
        ("SecRuleRemoveById 1\rInclude x", "line 1: has a control character"),
        ("SecRuleRemoveById 1\x0bInclude x", "line 1: has a control character"),
        ("#" * (MOST_CHARACTERS + 1), "are the most"),
    ],
)
def test_what_is_refused(text: str, told: str) -> None:
    """What reaches beyond a request, and what cannot be read for certain, is refused with its line."""
    with pytest.raises(SecLangError, match=re.escape(told)):
        read_directives(text)


@pytest.mark.parametrize("value", ["%{ARGS.a}", "x%{MATCHED_VAR}y", "%{tx.0}", "+%{tx.critical_anomaly_score}"])
def test_variables(value: str) -> None:
    """A variable may be set to a text with one macro, of a part of requests or of a variable of the Core Rule Set."""
    text = RULE.replace("deny", f"setvar:'tx.a={value}',logdata:'%{{tx.a}} %{{ARGS.a}}'")
    assert len(read_directives(text).rules) == 1
    score = RULE.replace("deny", "setvar:'tx.inbound_anomaly_score_pl1=+%{tx.critical_anomaly_score}'")
    assert len(read_directives(score).rules) == 1


_PARTS = st.sampled_from(
    [
        *("SecRule", "SecAction", "SecRuleRemoveById", "Include", "id:1", "ARGS", "@rx"),
        *(" ", "\n", "\\\n", "\\", '"', "'", ",", "#"),
    ]
)


@given(st.lists(_PARTS, max_size=20).map("".join))
def test_what_is_read_is_read_the_same_again(text: str) -> None:
    """What was written anew is read as the same; no line of it has a directive that is not permitted."""
    try:
        found = read_directives(text)
    except SecLangError:
        return
    assert read_directives("\n".join(found.rules + found.changes)) == found
    assert all("\n" not in each and each.startswith("Sec") for each in found.rules + found.changes)
