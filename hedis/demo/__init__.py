"""A believable, invented Medicare Advantage plan, written as the claims files such a plan would send.

Nothing here is real: contracts, people, providers and drugs' package codes are made up; no code of a licensed
system (CPT, SNOMED CT) is written. The rates lie near the national ones (national_rates.csv).

Who closes a gap depends on an engagement that the data shows in part (visits, wellness visits, refills, last year's
results, low-income subsidy, language, distance) and on chance. For a gap open at mid-year, "still open at year-end" is
meant to be predictable with an AUC of 0.65 to 0.85: enough for a model to learn something, not everything.

What is unlike a real plan's files: visits carry T1015, G0463 or G2025 where CPT codes would stand; mammograms come as
imaging observations; the year before the first holds visits and screenings only, for the measures' look-back.
A reversed claim is repeated under its own number with the next line numbers and negative units and amounts (a
reversed fill: negative quantity, days' supply 0) and mostly billed again under a new number.
"""
