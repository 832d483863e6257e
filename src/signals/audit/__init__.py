"""The look-ahead audit: proof by trial that no feature knows its future, or where its history began.

>>> from signals.audit import audit
>>> report = audit(provider, settings, cuts=40)  # doctest: +SKIP
>>> assert report.passed, report.violations  # doctest: +SKIP

It takes nothing about a feature's code for granted: it changes what a feature may not see and compares bits. Your own
calculators are held to it like ours: those that are installed, or those passed as ``calculators=[...]``.
"""

from signals.audit.report import AuditReport, Count, Violation
from signals.audit.run import audit

__all__ = ["AuditReport", "Count", "Violation", "audit"]
