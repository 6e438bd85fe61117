# Rules that friendli-iac does not have, for Conftest (https://www.conftest.dev), on what
# `friendli-iac plan --format json` prints. Its schema: schemas/friendli-iac.plan.v1.json.
package main

import rego.v1

brings_up := {"create", "update", "replace", "restart", "wake"}

# A minor version only adds keys.
deny contains msg if {
	not startswith(input.format_version, "1.")
	msg := sprintf("format_version %v: these rules know 1.x", [input.format_version])
}

# What users write is personal: who logs it says that somebody agreed.
deny contains msg if {
	some change in input.changes
	change.action in brings_up
	change.after.spec.engine.contentLogging
	object.get(change.after.labels, "content-logging", "") != "approved"
	msg := sprintf("%s logs content: it needs the label content-logging=approved", [change.address])
}

# One pull request, one model: what goes wrong can then be taken back by itself.
deny contains msg if {
	moved := {change.address |
		some change in input.changes
		change.action == "update"
		some field in change.fields
		startswith(field.path, "model.")
	}
	count(moved) > 1
	msg := sprintf("%v models change at once: %s", [count(moved), concat(", ", sort(moved))])
}

# Twice the bill is worth a question, whatever the limit is.
warn contains msg if {
	before := sum([change.cost_before[1] | some change in input.changes; change.cost_before])
	after := sum([change.cost_after[1] | some change in input.changes; change.cost_after])
	before > 0
	after > 2 * before
	msg := sprintf("the bill may rise from $%.2f to $%.2f an hour", [before, after])
}

# What friendli-iac warns of, in the same list.
warn contains msg if {
	some finding in input.findings
	finding.level == "warn"
	msg := sprintf("%s %s: %s", [finding.rule, finding.address, finding.message])
}
