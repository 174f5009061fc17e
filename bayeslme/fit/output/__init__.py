"""What a fit shows: the summary, plots, and a page of HTML.

Each module collects the numbers; `bayeslme.report` lays them out.
"""
