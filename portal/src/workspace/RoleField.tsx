import { Group, Pill, Select, Text } from '@mantine/core';
import { type ReactNode, useRef } from 'react';

import type { Variable } from '../api/client';
import { texts } from '../texts/texts';
import { isNominal, isNumeric } from './filter';
import { carry, useDropPlace } from './dragging';
import { byRole, placed, type Role } from './roles';

const t = texts.analysis;
/** Choices shown at once; typing finds the others. */
const SHOWN = 100;

/** One list of the request, `y` or `x`: as one slot, or a field for each role that shares it. */
export function RoleFields({
  list,
  codes,
  roles,
  usable,
  label,
  onChange,
  onRemove,
}: {
  list: 'y' | 'x';
  codes: string[];
  roles: Role[];
  usable: Variable[];
  label: (code: string) => string;
  onChange: (codes: string[]) => void;
  onRemove: (code: string) => void;
}) {
  const title = t[list];
  const take = (more: string[]) => onChange([...new Set([...codes, ...more])]);
  if (roles.length < 2) {
    const [only] = roles;
    const named = only ? t.list(only.label, list) : title;
    return <Slot title={named} codes={codes} wanted={only} label={label} onDrop={take} onRemove={onRemove} />;
  }
  const parts = byRole(roles, codes);
  return roles.map((role, place) => {
    const part = parts[place] ?? [];
    if (role.max !== 1 || part.length > 1) {
      return <Slot key={role.name} title={role.label} codes={part} wanted={role} label={label} onDrop={take} onRemove={onRemove} />;
    }
    const [chosen = null] = part;
    const fitting = usable.filter((variable) => takes(role, variable));
    return (
      <DropPlace
        key={role.name}
        onDrop={([code]) => {
          if (fitting.some((variable) => variable.code === code) && code !== undefined) onChange(placed(roles, codes, place, code));
        }}
      >
        <Select
          size="xs"
          label={role.label}
          description={role.help || undefined}
          withAsterisk={role.required}
          placeholder={t.emptyRole}
          searchable
          limit={SHOWN}
          clearable={!role.required}
          allowDeselect={false}
          data={fitting.map(({ code }) => ({ value: code, label: label(code) }))}
          value={chosen}
          onChange={(code) => {
            if (code !== null) onChange(placed(roles, codes, place, code));
            else if (chosen !== null) onRemove(chosen);
          }}
        />
      </DropPlace>
    );
  });
}

/** A field of one variable, which may be dropped upon it too. */
function DropPlace({ onDrop, children }: { onDrop: (codes: string[]) => void; children: ReactNode }) {
  return (
    <div className="drop" {...useDropPlace(onDrop)}>
      {children}
    </div>
  );
}

function takes(role: Role, variable: Variable): boolean {
  return (isNumeric(variable) && role.types.includes('numeric')) || (isNominal(variable) && role.types.includes('nominal'));
}

/** Variables as chips, with what the chosen algorithm wants there. */
function Slot({
  title,
  codes,
  wanted,
  label,
  onDrop,
  onRemove,
}: {
  title: string;
  codes: string[];
  wanted: Role | undefined;
  label: (code: string) => string;
  onDrop: (codes: string[]) => void;
  onRemove: (code: string) => void;
}) {
  const drop = useDropPlace(onDrop);
  const slot = useRef<HTMLDivElement>(null);
  return (
    <div>
      <Group justify="space-between" gap={6} mb={4} wrap="nowrap" align="baseline">
        <Text size="sm" fw={600}>
          {title}
        </Text>
        {wanted && (
          <Text size="xs" c="dimmed" title={wanted.help}>
            {t.wants(wanted.min, wanted.max, wanted.types.join(' or '))}
          </Text>
        )}
      </Group>
      <div className="slot" ref={slot} role="group" aria-label={title} tabIndex={-1} {...drop}>
        {codes.length === 0 && (
          <Text size="sm" c="dimmed">
            {t.emptyRole}
          </Text>
        )}
        <Pill.Group gap={4}>
          {codes.map((code) => (
            <Pill
              key={code}
              draggable
              onDragStart={(event) => carry(event, [code], label(code))}
              withRemoveButton
              onRemove={() => {
                onRemove(code);
                slot.current?.focus();
              }}
              removeButtonProps={{ 'aria-label': t.remove(label(code)), tabIndex: 0, 'aria-hidden': false }}
            >
              {label(code)}
            </Pill>
          ))}
        </Pill.Group>
      </div>
    </div>
  );
}
