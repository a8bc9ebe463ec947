"""Where the warehouse's facts come from: one layout a source, and what they share in reading and checking."""
