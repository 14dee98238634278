"""Tables by a learned metric: regression and classification that stay exact, editable and explained."""
