import type { Group, ModelTree, Variable } from '../api/client';

/** One line of the tree: a group, or a variable within it. */
export interface Node {
  id: string;
  depth: number;
  label: string;
  group: Group | null;
  variable: Variable | null;
  count: number;
  parent: string | null;
}

export function allVariables(model: ModelTree): Map<string, Variable> {
  const found = new Map<string, Variable>();
  const walk = (groups: readonly Group[]) => {
    for (const group of groups) {
      for (const variable of group.variables) found.set(variable.code, variable);
      walk(group.groups);
    }
  };
  for (const variable of model.variables) found.set(variable.code, variable);
  walk(model.groups);
  return found;
}

export function matches(variable: Variable, words: readonly string[]): boolean {
  const text = `${variable.code} ${variable.label} ${variable.description}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

/** The lines of the tree that are to be seen, top to bottom. */
export function visibleNodes(model: ModelTree, open: ReadonlySet<string>, search: string): Node[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const nodes: Node[] = [];
  const variables = (list: readonly Variable[], depth: number, parent: string | null) => {
    for (const variable of list) {
      if (words.length === 0 || matches(variable, words)) {
        nodes.push({ id: `v:${variable.code}`, depth, label: variable.label || variable.code, group: null, variable, count: 0, parent });
      }
    }
  };
  const groups = (list: readonly Group[], depth: number, path: string, parent: string | null) => {
    for (const group of list) {
      const id = `g:${path}/${group.code}`;
      const count = counted(group, words);
      if (count === 0) continue;
      nodes.push({ id, depth, label: group.label || group.code, group, variable: null, count, parent });
      if (words.length > 0 || open.has(id)) {
        groups(group.groups, depth + 1, `${path}/${group.code}`, id);
        variables(group.variables, depth + 1, id);
      }
    }
  };
  groups(model.groups, 0, '', null);
  variables(model.variables, 0, null);
  return nodes;
}

function counted(group: Group, words: readonly string[]): number {
  const own = group.variables.filter((variable) => words.length === 0 || matches(variable, words)).length;
  return (group.groups).reduce((sum, inner) => sum + counted(inner, words), own);
}
