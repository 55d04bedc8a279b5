import { hierarchy, type HierarchyCircularNode, type HierarchyNode, pack } from 'd3-hierarchy';

import type { Group, ModelTree, Variable } from '../api/client';
import { lineOf, type Node, variablesUnder } from './variables';

type Part = Node & { parts: Part[] };
export type Circle = HierarchyCircularNode<Part>;

/** A circle as it is drawn while one looks into a group; level 0 is that group, 1 is what it holds, 2 what that holds. */
export interface Drawn {
  node: Node;
  level: 0 | 1 | 2;
  x: number;
  y: number;
  r: number;
}

const ROOT = 'g:';

/** The data model as circles in circles; a group's circle grows with what it holds, and empty groups are left out. */
export function circlesOf(model: ModelTree): Circle {
  const ofVariable = (variable: Variable, parent: string): Part => ({ ...lineOf(variable, 0, parent), parts: [] });
  const ofGroup = (group: Group, path: string, parent: string): Part => {
    const id = `${path}/${group.code}`;
    return {
      id, depth: 0, label: group.label || group.code, group, variable: null, count: variablesUnder(group).length, parent,
      parts: [
        ...group.groups.filter((inner) => variablesUnder(inner).length > 0).map((inner) => ofGroup(inner, id, id)),
        ...group.variables.map((variable) => ofVariable(variable, id)),
      ],
    };
  };
  const parts = [
    ...model.groups.filter((group) => variablesUnder(group).length > 0).map((group) => ofGroup(group, ROOT, ROOT)),
    ...model.variables.map((variable) => ofVariable(variable, ROOT)),
  ];
  const whole: Part = { id: ROOT, depth: 0, label: model.label, group: null, variable: null, count: 0, parent: null, parts };
  const root = hierarchy(whole, (part) => (part.parts.length > 0 ? part.parts : undefined));
  const weights = new Map(root.descendants().map((node) => [node.data, weightOf(node)]));
  root.sum((part) => (part.variable ? (weights.get(part) ?? 0) : 0)).sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  return pack().size([1, 1]).padding((node) => (node.depth === 0 ? 0.012 : 0.006))(root);
}

/** What a circle's area rests on: the root at each level keeps a group of a hundred from hiding one of five. */
function weightOf(node: HierarchyNode<Part>): number {
  return node.ancestors().reduce((weight, { children }) => weight / Math.sqrt(children?.length ?? 1), 1);
}

/** The circle with an id, or the outermost one where there is none. */
export function circleAt(root: Circle, id: string | null): Circle {
  return root.descendants().find((circle) => circle.data.id === id) ?? root;
}

/** What is drawn of a place in a square whose sides are size pixels long: it fills the square. */
export function drawnAt(place: Circle, size: number): Drawn[] {
  const scale = size / (2 * place.r);
  const drawn = (circle: Circle, level: Drawn['level']): Drawn => ({
    node: circle.data,
    level,
    x: (circle.x - place.x) * scale + size / 2,
    y: (circle.y - place.y) * scale + size / 2,
    r: circle.r * scale,
  });
  const inner = place.children ?? [];
  return [
    drawn(place, 0),
    ...inner.map((circle) => drawn(circle, 1)),
    ...inner.flatMap((circle) => circle.children ?? []).map((circle) => drawn(circle, 2)),
  ];
}

const LETTER = 5.9;
const LINE = 12;

/** A label in lines that fit into a circle of a radius in pixels; none where it would be a stump. */
export function fitted(label: string, radius: number): string[] {
  const letters = Math.floor((radius * 1.75) / LETTER);
  const most = Math.min(3, Math.floor((radius * 1.2) / LINE));
  if (letters < 4 || most < 1) return [];
  const lines: string[] = [];
  for (const word of label.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= letters) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.slice(0, most).map((line, place) => {
    const more = place === most - 1 && lines.length > most;
    return line.length > letters || more ? `${line.slice(0, letters - 1)}…` : line;
  });
}
