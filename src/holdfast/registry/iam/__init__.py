"""Users, groups, roles and policies: who may be somebody, and what each may do."""
