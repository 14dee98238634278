"""Fit a table, predict with an interval, and name the rows behind a prediction. Needs lior-tables.

python examples/table.py
"""

import numpy as np

from lior_tables import GeometricRegressor

draw = np.random.default_rng(0)
rows = draw.uniform(-1, 1, (300, 3))
price = 2 * rows[:, 0] + np.sin(3 * rows[:, 1]) + 0.1 * draw.normal(size=300)  # the third column is noise

model = GeometricRegressor(random_state=0).fit(rows[:250], price[:250])
low, high = model.predict_interval(rows[250:], alpha=0.1)
print(f"R² {model.score(rows[250:], price[250:]):.3f}")
print(f"{np.mean((low <= price[250:]) & (price[250:] <= high)):.0%} of new prices are in their 90 % interval")
print(model.explain(rows[250:251]).top(0).head(3))
