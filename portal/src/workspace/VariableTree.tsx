import { type KeyboardEvent, useRef, useState } from 'react';
import { flushSync } from 'react-dom';

import { Icon } from '../shared/Icon';
import { texts } from '../texts/texts';
import { carry } from './dragging';
import { STEP, useDrawn } from './drawn';
import { isNominal, isNumeric } from './filter';
import { Marked } from './Marked';
import { MoreLines } from './MoreLines';
import { type Node, usableCodes } from './variables';

/** Groups and variables as lines, walked by arrow keys: the data model's tree, or what a search found. */
export function VariableTree({
  label,
  subject,
  nodes,
  open,
  lacks,
  chosen,
  onOpen,
  onChoose,
  onUse,
}: {
  label: string;
  /** What the lines are of; other lines of the same are drawn as far down as those before them. */
  subject: string;
  nodes: readonly Node[];
  open: ReadonlySet<string>;
  /** Whether none of the chosen datasets has a variable. */
  lacks: (code: string) => boolean;
  chosen: string | null;
  onOpen: (id: string, wanted: boolean) => void;
  onChoose: (code: string) => void;
  onUse: (codes: string[], role: 'y' | 'x') => void;
}) {
  const [active, setActive] = useState<string | null>(null);
  const list = useRef<HTMLUListElement>(null);
  const { drawn, reach } = useDrawn(nodes.length, subject);
  const current = nodes.find((node) => node.id === active) ?? nodes[0];

  const assign = (node: Node, role: 'y' | 'x') => onUse(usableCodes(node, lacks), role);
  const act = (node: Node) => {
    setActive(node.id);
    if (node.variable) onChoose(node.variable.code);
    else onOpen(node.id, !open.has(node.id));
  };
  const focus = (node: Node | undefined) => {
    if (!node) return;
    const place = nodes.indexOf(node);
    flushSync(() => {
      reach(place + 1);
      setActive(node.id);
    });
    const line = list.current?.children[place];
    if (line instanceof HTMLElement) line.focus();
  };
  const onKey = (event: KeyboardEvent, node: Node) => {
    const index = nodes.indexOf(node);
    const steps: Record<string, () => void> = {
      ArrowDown: () => focus(nodes[index + 1]),
      ArrowUp: () => focus(nodes[index - 1]),
      Home: () => focus(nodes[0]),
      End: () => focus(nodes.at(-1)),
      ArrowRight: () => {
        if (node.group && !open.has(node.id)) onOpen(node.id, true);
        else focus(nodes[index + 1]);
      },
      ArrowLeft: () => {
        if (node.group && open.has(node.id)) onOpen(node.id, false);
        else focus(nodes.find((other) => other.id === node.parent));
      },
      Enter: () => act(node),
      ' ': () => act(node),
      y: () => assign(node, 'y'),
      x: () => assign(node, 'x'),
    };
    const step = event.ctrlKey || event.metaKey || event.altKey ? undefined : steps[event.key];
    if (step) {
      event.preventDefault();
      step();
    }
  };

  return (
    <>
      <ul className="tree" role="tree" aria-label={label} ref={list}>
        {nodes.slice(0, drawn).map((node) => {
          const expanded = node.group ? open.has(node.id) : undefined;
          const absent = node.variable !== null && lacks(node.variable.code);
          return (
            <li
              key={node.id}
              role="treeitem"
              aria-level={node.depth + 1}
              aria-keyshortcuts="y x"
              aria-expanded={expanded}
              aria-selected={node.variable ? node.variable.code === chosen : false}
              tabIndex={node === current ? 0 : -1}
              className={`row ${node.group ? 'group' : ''} ${absent ? 'absent' : ''}`}
              style={{ paddingLeft: `${0.4 + node.depth * 0.95 + (node.group ? 0 : 0.25)}rem` }}
              title={node.variable?.description || node.label}
              draggable={usableCodes(node, lacks).length > 0}
              onDragStart={(event) => carry(event, usableCodes(node, lacks), node.label)}
              onClick={() => act(node)}
              onFocus={() => setActive(node.id)}
              onKeyDown={(event) => onKey(event, node)}
            >
              {node.group && (
                <span className={expanded ? 'turn open' : 'turn'}>
                  <Icon name="chevron" size={11} />
                </span>
              )}
              <span className="label">
                <Marked text={node.label} spellings={node.marked ?? []} />
                {node.reason && <span className="reason">{node.reason}</span>}
              </span>
              {!absent && node.variable?.type !== 'text' && <QuickRoles onUse={(role) => assign(node, role)} />}
              <span className="kind">{kindOf(node)}</span>
            </li>
          );
        })}
      </ul>
      {drawn < nodes.length && <MoreLines left={nodes.length - drawn} drawn={drawn} onMore={() => reach(drawn + STEP)} />}
    </>
  );
}

/** What the keys y and x do, for a pointer. */
function QuickRoles({ onUse }: { onUse: (role: 'y' | 'x') => void }) {
  return (
    <span className="quick" aria-hidden>
      {(['y', 'x'] as const).map((role) => (
        <button
          key={role}
          type="button"
          tabIndex={-1}
          title={texts.workspace.use[role]}
          onClick={(event) => {
            event.stopPropagation();
            onUse(role);
          }}
        >
          {role}
        </button>
      ))}
    </span>
  );
}

/** What a line is: the number of a group's variables, or a variable's kind. */
export function kindOf(node: Pick<Node, 'variable' | 'count'>): string {
  const kinds = texts.workspace.kinds;
  if (!node.variable) return String(node.count);
  if (isNumeric(node.variable)) return kinds.numeric;
  return isNominal(node.variable) ? kinds.nominal : kinds.text;
}
