"""The password of the shop's one user, which the shop and its tests know."""

PASSWORD = "correct horse battery"
