"""The half of the emulator that is Weights & Biases: `POST /graphql`, in the same process and port.

It has teams, registries, collections, artifact versions and their aliases, webhooks and
automations. `schema.graphql` lists all that can be asked. The shapes are those that the official
SDK (wandb 0.31) asks for; what is inferred says so where it is. Moving an alias fires the
automations that match: the webhook is called over HTTP, if its host is allowed.

- `Authorization: Basic base64("api:" + KEY)` or `Bearer KEY`, with a key of at least 40 characters.
- Errors are `{"errors": [{"message", "path"}], "data": …}` with an HTTP status: 400 for what the
  schema refuses, 401 without a key, 404 for what is not there, 409 for a name that is taken.
- `Emulator(...).wandb` is a `control.WandbControl`: the world behind the API, for tests.
"""
