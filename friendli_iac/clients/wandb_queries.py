"""What is asked of W&B, in GraphQL.

Fields are those that the queries of the official SDK use (wandb 0.31: `apis/_generated`,
`automations/_generated`, `sdk/artifacts/_generated`, `apis/public/runs.py`). What is not among them
is at the end: a server may not have it, and then we do without.
"""

from __future__ import annotations

_PAGE = "pageInfo { endCursor hasNextPage }"

# A collection is an interface in W&B's schema: its `project` is there for both of its types.
_TRIGGER = """
fragment Trigger on Trigger {
  id name description enabled createdAt updatedAt
  scope {
    __typename
    ... on ArtifactPortfolio { id name project { id name entity { id name } } }
    ... on ArtifactSequence { id name project { id name entity { id name } } }
    ... on Project { id name entity { id name } }
    ... on Entity { id name }
  }
  event: triggeringCondition {
    __typename
    ... on FilterEventTriggeringCondition { eventType filter }
  }
  action: triggeredAction {
    __typename
    ... on GenericWebhookTriggeredAction {
      integration { __typename ... on GenericWebhookIntegration { id name urlEndpoint } }
      requestPayload
    }
  }
}
"""

_WEBHOOK = "__typename ... on GenericWebhookIntegration { id name urlEndpoint }"

WEBHOOKS = f"""
query IntegrationsByEntity($entity: String!, $cursor: String, $perPage: Int) {{
  entity(name: $entity) {{
    integrations(after: $cursor, first: $perPage) {{
      {_PAGE}
      edges {{ node {{ {_WEBHOOK} }} }}
    }}
  }}
}}
"""

CREATE_WEBHOOK = f"""
mutation CreateGenericWebhookIntegration($input: CreateGenericWebhookIntegrationInput!) {{
  result: createGenericWebhookIntegration(input: $input) {{ integration {{ {_WEBHOOK} }} }}
}}
"""

AUTOMATIONS = f"""
query GetEntityAutomations($entity: String!, $cursor: String, $perPage: Int) {{
  scope: entity(name: $entity) {{
    triggers(after: $cursor, first: $perPage) {{ {_PAGE} edges {{ node {{ ...Trigger }} }} }}
  }}
}}
{_TRIGGER}
"""

# For servers whose entities do not list their automations: the SDK walks the projects there, too.
AUTOMATIONS_BY_PROJECT = f"""
query GetEntityAutomationsLegacy($entity: String!, $cursor: String, $perPage: Int) {{
  scope: entity(name: $entity) {{
    projects(after: $cursor, first: $perPage) {{
      {_PAGE}
      edges {{ node {{ triggers {{ ...Trigger }} }} }}
    }}
  }}
}}
{_TRIGGER}
"""

CREATE_AUTOMATION = f"""
mutation CreateAutomation($input: CreateFilterTriggerInput!) {{
  result: createFilterTrigger(input: $input) {{ trigger {{ ...Trigger }} }}
}}
{_TRIGGER}
"""

UPDATE_AUTOMATION = f"""
mutation UpdateAutomation($input: UpdateFilterTriggerInput!) {{
  result: updateFilterTrigger(input: $input) {{ trigger {{ ...Trigger }} }}
}}
{_TRIGGER}
"""

DELETE_AUTOMATION = """
mutation DeleteAutomation($id: ID!) {
  result: deleteTrigger(input: {triggerID: $id}) { success }
}
"""

VIEWER = "query Viewer { viewer { id username entity } }"

ENTITY = "query GetTeamEntity($name: String!) { entity(name: $name) { id name } }"

PROJECT = """
query GetProject($name: String!, $entity: String!) {
  project(name: $name, entityName: $entity) { id name }
}
"""

ARTIFACT_TYPES = f"""
query ProjectArtifactTypes($entity: String!, $project: String!, $cursor: String, $perPage: Int) {{
  project(name: $project, entityName: $entity) {{
    artifactTypes(after: $cursor, first: $perPage) {{ {_PAGE} edges {{ node {{ name }} }} }}
  }}
}}
"""

COLLECTION = """
query ProjectArtifactCollection(
  $entity: String!, $project: String!, $type: String!, $name: String!
) {
  project(entityName: $entity, name: $project) {
    artifactType(name: $type) { artifactCollection(name: $name) { __typename id name } }
  }
}
"""

ALIASES = f"""
query ArtifactCollectionAliases($id: ID!, $cursor: String, $perPage: Int) {{
  artifactCollection(id: $id) {{
    aliases(after: $cursor, first: $perPage) {{ {_PAGE} edges {{ node {{ alias }} }} }}
  }}
}}
"""

_ARTIFACT = """
fragment Artifact on Artifact {
  id versionIndex digest metadata createdAt
  createdBy {
    __typename
    ... on Run { name displayName summaryMetrics project { name entity { name } } }
    ... on User { username }
  }
}
"""

VERSION = f"""
query ArtifactMembershipByName($entity: String!, $project: String!, $name: String!) {{
  project(name: $project, entityName: $entity) {{
    artifactCollectionMembership(name: $name) {{
      versionIndex
      aliases {{ alias }}
      artifact {{ ...Artifact }}
    }}
  }}
}}
{_ARTIFACT}
"""

VERSIONS = f"""
query ProjectArtifacts(
  $entity: String!, $project: String!, $type: String!, $collection: String!,
  $cursor: String, $perPage: Int, $filters: JSONString
) {{
  project(entityName: $entity, name: $project) {{
    artifactType(name: $type) {{
      artifactCollection(name: $collection) {{
        artifacts(after: $cursor, first: $perPage, filters: $filters) {{
          {_PAGE}
          edges {{
            version
            node {{
              ...Artifact
              aliases {{ alias artifactCollection {{ name project {{ name entity {{ name }} }} }} }}
            }}
          }}
        }}
      }}
    }}
  }}
}}
{_ARTIFACT}
"""

# --- what a server may not have ---
# Types of a published development branch of the SDK (commit 1aa42cbdaa, of 2024); the names of the
# fields follow from those of the types, and are not documented.

SECRETS = "query SecretNames($entity: String!) { entity(name: $entity) { secrets { name } } }"

MUTATIONS = "query Mutations { __schema { mutationType { fields { name } } } }"

UPDATE_WEBHOOK = """
mutation UpdateGenericWebhookIntegration($input: UpdateGenericWebhookIntegrationInput!) {
  updateGenericWebhookIntegration(input: $input) { __typename }
}
"""

DELETE_WEBHOOK = """
mutation DeleteIntegration($input: DeleteIntegrationInput!) {
  deleteIntegration(input: $input) { __typename }
}
"""
