import { Button, Modal, Text } from '@mantine/core';
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';

import type { ModelTree } from '../api/client';
import { Icon } from '../shared/Icon';
import { texts } from '../texts/texts';
import { circleAt, type Circle, circlesOf, type Drawn, drawnAt, fitted } from './circles';
import { kindOf } from './VariableTree';
import { groupsAround, type Node, usableCodes } from './variables';

interface Props {
  model: ModelTree;
  /** Whether none of the chosen datasets has a variable. */
  lacks: (code: string) => boolean;
  chosen: string | null;
  onChoose: (code: string) => void;
  onUse: (codes: string[], role: 'y' | 'x') => void;
}

const t = texts.explore;

/** The data model as circles in circles, which one zooms into by a click or by keys; larger at will. */
export default function VariableCircles(props: Props) {
  const [larger, setLarger] = useState(false);
  const [place, setPlace] = useState<string | null>(() => groupsAround(props.model, props.chosen).at(-1) ?? null);
  const root = useMemo(() => circlesOf(props.model), [props.model]);
  const shared = { root, place, onPlace: setPlace };
  return (
    <>
      <Picture {...props} {...shared} size={320} />
      <Button size="compact-xs" variant="subtle" leftSection={<Icon name="larger" size={11} />} onClick={() => setLarger(true)}>
        {t.larger}
      </Button>
      <Modal opened={larger} onClose={() => setLarger(false)} size="min(96vw, 54rem)" title={<b>{props.model.label}</b>}>
        <Picture
          {...props}
          {...shared}
          size={720}
          onChoose={(code) => {
            setLarger(false);
            props.onChoose(code);
          }}
          onLeave={() => setLarger(false)}
        />
      </Modal>
    </>
  );
}

/** One picture of a place, with the way to it above and what has the focus below. */
function Picture({
  model,
  lacks,
  chosen,
  onChoose,
  onUse,
  root,
  place,
  onPlace,
  size,
  onLeave,
}: Props & {
  root: Circle;
  place: string | null;
  onPlace: (id: string | null) => void;
  size: number;
  /** Called where there is no way further out. */
  onLeave?: () => void;
}) {
  const [active, setActive] = useState<string | null>(chosen === null ? null : `v:${chosen}`);
  const [pointed, setPointed] = useState<string | null>(null);
  const follow = useRef<string | null>(null);
  const drawing = useRef<SVGSVGElement>(null);
  const here = circleAt(root, place);
  const drawn = useMemo(() => drawnAt(here, size), [here, size]);
  const items = drawn.filter((one) => one.level === 1);
  const current = items.find((one) => one.node.id === active) ?? items[0];
  const told = items.find((one) => one.node.id === pointed) ?? current;

  useEffect(() => {
    if (follow.current === null) return;
    focusOn(drawing.current, follow.current);
    follow.current = null;
  }, [here]);

  const focus = (one: Drawn | undefined) => {
    if (!one) return;
    setActive(one.node.id);
    focusOn(drawing.current, one.node.id);
  };
  const go = (to: Circle, active: string | undefined) => {
    follow.current = active ?? null;
    setActive(active ?? null);
    onPlace(to.data.id);
  };
  const out = () => {
    if (here.parent) go(here.parent, here.data.id);
    else onLeave?.();
  };
  const act = (node: Node) => {
    setActive(node.id);
    if (node.variable) {
      onChoose(node.variable.code);
      return;
    }
    const inner = circleAt(root, node.id);
    go(inner, inner.children?.[0]?.data.id);
  };
  const onKey = (event: KeyboardEvent, one: Drawn) => {
    const index = items.indexOf(one);
    const steps: Record<string, () => void> = {
      ArrowRight: () => focus(items[index + 1]),
      ArrowLeft: () => focus(items[index - 1]),
      Home: () => focus(items[0]),
      End: () => focus(items.at(-1)),
      ArrowDown: () => one.node.group && act(one.node),
      ArrowUp: out,
      Escape: out,
      Enter: () => act(one.node),
      ' ': () => act(one.node),
      y: () => onUse(usableCodes(one.node, lacks), 'y'),
      x: () => onUse(usableCodes(one.node, lacks), 'x'),
    };
    const step = event.ctrlKey || event.metaKey || event.altKey ? undefined : steps[event.key];
    if (step) {
      event.preventDefault();
      event.stopPropagation();
      step();
    }
  };

  return (
    <div className="circles">
      <nav aria-label={t.path}>
        {[...here.ancestors()].reverse().map((step) => (
          <button
            key={step.data.id}
            type="button"
            aria-current={step === here ? 'location' : undefined}
            onClick={() => step !== here && go(step, step.children?.[0]?.data.id)}
          >
            {step.data.label}
          </button>
        ))}
      </nav>
      <svg
        ref={drawing}
        viewBox={`-2 -2 ${size + 4} ${size + 4}`}
        role="tree"
        aria-label={model.label}
        onPointerLeave={() => setPointed(null)}
      >
        {drawn.map((one) =>
          one.level === 1 ? (
            <Item
              key={one.node.id}
              one={one}
              depth={here.depth}
              current={one === current}
              chosen={one.node.variable !== null && one.node.variable.code === chosen}
              absent={one.node.variable !== null && lacks(one.node.variable.code)}
              onAct={() => act(one.node)}
              onFocus={() => setActive(one.node.id)}
              onKey={(event) => onKey(event, one)}
              onPoint={() => setPointed(one.node.id)}
            />
          ) : (
            // Scenery: what a place is in, and what its groups hold; keys and the path above lead there.
            <g
              key={one.node.id}
              aria-hidden
              className={one.level === 0 ? 'ground' : 'inner'}
              style={{ transform: `translate(${one.x}px, ${one.y}px)` }}
              onClick={one.level === 0 ? out : undefined}
            >
              <circle r={one.r} />
            </g>
          ),
        )}
        <Labels items={items} />
      </svg>
      {told && (
        <Text size="xs" className="told" aria-hidden>
          <b>{told.node.label}</b> · {kindOf(told.node)}
          {told.node.variable && lacks(told.node.variable.code) && ` · ${t.absent}`}
        </Text>
      )}
    </div>
  );
}

function focusOn(drawing: SVGSVGElement | null, id: string): void {
  const found = [...(drawing?.children ?? [])].find((part) => part.getAttribute('data-id') === id);
  if (found instanceof SVGElement) found.focus();
}

/** A group or a variable that may be chosen. */
function Item({
  one: { node, x, y, r },
  depth,
  current,
  chosen,
  absent,
  onAct,
  onFocus,
  onKey,
  onPoint,
}: {
  one: Drawn;
  depth: number;
  current: boolean;
  chosen: boolean;
  absent: boolean;
  onAct: () => void;
  onFocus: () => void;
  onKey: (event: KeyboardEvent) => void;
  onPoint: () => void;
}) {
  const name = node.group ? t.groupOf(node.label, node.count) : node.label;
  return (
    <g
      data-id={node.id}
      data-mantine-stop-propagation // Escape goes out of a group, not out of the dialog.
      role="treeitem"
      aria-label={absent ? `${name}, ${t.absent}` : name}
      aria-level={depth + 1}
      aria-selected={chosen}
      aria-expanded={node.group ? false : undefined}
      aria-keyshortcuts="y x"
      tabIndex={current ? 0 : -1}
      className={`${node.group ? 'group' : 'variable'} ${absent ? 'absent' : ''}`}
      style={{ transform: `translate(${x}px, ${y}px)` }}
      onClick={onAct}
      onFocus={onFocus}
      onKeyDown={onKey}
      onPointerEnter={onPoint}
    >
      <circle r={r} />
    </g>
  );
}

/** Labels lie above all circles; each circle's whole name is its own. */
function Labels({ items }: { items: readonly Drawn[] }) {
  return (
    <g aria-hidden className="labels">
      {items.map(({ node, x, y, r }) => {
        const lines = fitted(node.label, r);
        return (
          <text key={node.id} className={node.group ? 'over' : undefined} style={{ transform: `translate(${x}px, ${y}px)` }}>
            {lines.map((line, place) => (
              <tspan key={place} x={0} y={(place - (lines.length - 1) / 2) * 12 + 4}>
                {line}
              </tspan>
            ))}
          </text>
        );
      })}
    </g>
  );
}
