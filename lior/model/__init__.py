"""The model: it predicts, samples, scores and explains; nothing here touches a run's directory."""
