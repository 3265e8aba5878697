"""`vaultgate doctor`: what keeps a function from its secrets, with cause, evidence and fix.

Rules: `probes` ask and know nothing of what an answer means; `judges` are pure and turn what was seen into findings; `catalogue`
is the one table of findings, which docs/doctor.md is made from; `steps` says what depends on what, `examination` runs it.
Nothing here changes anything that stays: the token of the doctor's own login is revoked at the end, and its leases with it.
Standard library, PyMySQL and the layer's own package only, but for what asks AWS: the doctor also runs inside the function.
"""
