"""The exact response of AV²A's figures to tau0, tau_r and tau_f: every setting of these at once, without sampling.

``axes`` says what is exact; ``cells`` finds where over tau0 the candidates change; ``regions`` the events of every
(tau0, tau_r); ``response`` what they score; ``plane`` its maximum and surface; ``curves`` one parameter at a time.
``reference`` is the plain form. The mathematics: ``docs/exact.md``.
"""
