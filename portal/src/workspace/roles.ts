import type { AlgorithmEntry, Variable } from '../api/client';

export type Role = AlgorithmEntry['y'][number];

/** Variables by the list (`y`, `x`, `model`) or the role that a parameter names them by. */
export type Places = Record<string, Variable[]>;

/**
 * A list of a request by the roles that share it: each takes its least number in its turn, then the
 * first ones up to their most, and the last also what is too much.
 */
export function byRole<T>(roles: Role[], list: T[]): T[][] {
  let spare = Math.max(list.length - roles.reduce((sum, role) => sum + role.min, 0), 0);
  let start = 0;
  return roles.map((role, place) => {
    const room = place === roles.length - 1 || role.max === null ? spare : Math.min(spare, role.max - role.min);
    spare -= room;
    const part = list.slice(start, start + Math.min(role.min, list.length - start) + room);
    start += part.length;
    return part;
  });
}

/** The variables of a request by every name that an algorithm's parameters may know them by. */
export function placesOf(algorithm: AlgorithmEntry, y: Variable[], x: Variable[]): Places {
  const places: Places = { y, x };
  for (const [roles, list] of [[algorithm.y, y], [algorithm.x, x]] as const) {
    byRole(roles, [...list]).forEach((part, place) => {
      const role = roles[place];
      if (role) places[role.name] = part;
    });
  }
  return places;
}

/**
 * A list with one variable put into a role that takes a single one. Where it stood in another role,
 * the two change places; else it takes the place of the one that was there.
 */
export function placed(roles: Role[], list: string[], place: number, code: string): string[] {
  const at = byRole(roles, list).slice(0, place).reduce((sum, part) => sum + part.length, 0);
  const before = list[at];
  const from = list.indexOf(code);
  const after = [...list];
  if (before === undefined) return [...list, code];
  after[at] = code;
  if (from >= 0) after[from] = before;
  return after;
}
