"""A believable, invented Medicare Advantage plan, written as the claims files such a plan would send.

Nothing here is real: contracts, people, providers and drugs' package codes are made up; no code of a licensed
system (CPT, SNOMED CT) is written. The rates lie near the national ones (national_rates.csv).
"""
