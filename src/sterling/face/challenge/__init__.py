"""A liveness challenge: score files judged by one rule, and a leaderboard to verify."""
