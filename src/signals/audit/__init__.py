"""The look-ahead audit: proof by trial that no feature knows its future, or where its history began.

>>> from signals.audit import audit
>>> report = audit(provider, settings, cuts=40)  # doctest: +SKIP
>>> assert report.passed, report.violations  # doctest: +SKIP

It takes nothing about a feature's code for granted: it changes what a feature may not see and compares bits. Your own
calculators are held to it like ours; in a test of yours, give it your bars or generated ones.
"""

from signals.audit.report import AuditReport, Count, Violation
from signals.audit.run import audit

__all__ = ["AuditReport", "Count", "Violation", "audit"]
