"""Use cases: one public function is one transaction; the only room that opens one."""
