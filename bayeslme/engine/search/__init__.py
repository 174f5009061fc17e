"""The search for the highest maximum of a likelihood.

`search` is the order of events: `starts`, the climb of `optimise`, and what is asked afterwards:
other maxima (`local_maxima`), bends (`kinks`), lines on which nothing changes (`flat`), several
points that stand for one model (`conventions`), no maximum at all (`no_maximum`). `fixed_point`
alternates where a variance depends on the fit; `refit` repeats a search for other responses.
Imports `likelihood`.
"""
