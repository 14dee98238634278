"""Questions about tables with gold queries, from which the queries of ``lior ask`` are learned."""
