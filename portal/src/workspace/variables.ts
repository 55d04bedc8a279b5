import type { Group, ModelTree, Variable } from '../api/client';
import { isNominal, isNumeric } from './filter';

/** One line of the tree: a group, or a variable within it. */
export interface Node {
  id: string;
  depth: number;
  label: string;
  group: Group | null;
  variable: Variable | null;
  count: number;
  parent: string | null;
  /** Why a search found it. */
  reason?: string;
  /** The words of its label that the search found. */
  marked?: readonly string[];
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

/** The lines of the tree that are to be seen, top to bottom. */
export function visibleNodes(model: ModelTree, open: ReadonlySet<string>): Node[] {
  const nodes: Node[] = [];
  const variables = (list: readonly Variable[], depth: number, parent: string | null) => {
    for (const variable of list) nodes.push(lineOf(variable, depth, parent));
  };
  const groups = (list: readonly Group[], depth: number, path: string, parent: string | null) => {
    for (const group of list) {
      const id = `g:${path}/${group.code}`;
      const count = variablesUnder(group).length;
      if (count === 0) continue;
      nodes.push({ id, depth, label: group.label || group.code, group, variable: null, count, parent });
      if (open.has(id)) {
        groups(group.groups, depth + 1, `${path}/${group.code}`, id);
        variables(group.variables, depth + 1, id);
      }
    }
  };
  groups(model.groups, 0, '', null);
  variables(model.variables, 0, null);
  return nodes;
}

/** A variable as a line. */
export function lineOf(variable: Variable, depth = 0, parent: string | null = null): Node {
  return { id: `v:${variable.code}`, depth, label: variable.label || variable.code, group: null, variable, count: 0, parent };
}

/** The codes of a line, or of all that a group holds, which may have a role in an analysis. */
export function usableCodes({ variable, group }: Pick<Node, 'variable' | 'group'>, lacks: (code: string) => boolean): string[] {
  const variables = variable ? [variable] : group ? variablesUnder(group) : [];
  return variables.filter((one) => !lacks(one.code) && (isNumeric(one) || isNominal(one))).map((one) => one.code);
}

/** The variables of a group and of the groups in it. */
export function variablesUnder(group: Group): Variable[] {
  return [...group.variables, ...group.groups.flatMap(variablesUnder)];
}

/** The range a model allows, as one reads it; empty where there is none. */
export function rangeOf({ minimum, maximum }: Variable): string {
  const low = minimum ?? null;
  const high = maximum ?? null;
  if (low !== null && high !== null) return `${low} – ${high}`;
  if (low !== null) return `≥ ${low}`;
  return high === null ? '' : `≤ ${high}`;
}

/** The groups around a variable, outermost first. */
function groupsOf(model: ModelTree, code: string | null): Group[] {
  const find = (groups: readonly Group[]): Group[] | null => {
    for (const group of groups) {
      if (group.variables.some((variable) => variable.code === code)) return [group];
      const inner = find(group.groups);
      if (inner) return [group, ...inner];
    }
    return null;
  };
  return find(model.groups) ?? [];
}

/** Variables that one may be related to: those of its own group first, then of the groups around it. */
export function neighbours(model: ModelTree, code: string, usable: (variable: Variable) => boolean, most: number): Variable[] {
  const found = new Map<string, Variable>();
  const around = [...groupsOf(model, code).reverse().map(variablesUnder), [...allVariables(model).values()]];
  for (const variable of around.flat()) {
    if (found.size < most && variable.code !== code && usable(variable)) found.set(variable.code, variable);
  }
  return [...found.values()];
}

export function pathTo(model: ModelTree, code: string): string[] {
  return groupsOf(model, code).map((group) => group.label || group.code);
}

/** The same groups as ids of lines of the tree. */
export function groupsAround(model: ModelTree, code: string | null): string[] {
  let path = '';
  return groupsOf(model, code).map((group) => {
    path += `/${group.code}`;
    return `g:${path}`;
  });
}
