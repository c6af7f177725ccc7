"""Blind studies with human raters: design, exclusion rules, intervals, preference scale, sample size.

Knows no web and no pictures: numbers in, numbers out.
"""
