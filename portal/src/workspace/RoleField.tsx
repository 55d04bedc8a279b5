import { Group, Pill, Text } from '@mantine/core';
import { useRef } from 'react';

import type { AlgorithmEntry } from '../api/client';
import { texts } from '../texts/en';

const t = texts.analysis;

/** The variables of one role as chips, with what the chosen algorithm wants there. */
export function RoleField({
  title,
  codes,
  wanted,
  label,
  onRemove,
}: {
  title: string;
  codes: string[];
  wanted: AlgorithmEntry['y'];
  label: (code: string) => string;
  onRemove: (code: string) => void;
}) {
  const slot = useRef<HTMLDivElement>(null);
  return (
    <div>
      <Group justify="space-between" gap={6} mb={4} wrap="nowrap" align="baseline">
        <Text size="sm" fw={600}>
          {title}
        </Text>
        {wanted && (
          <Text size="xs" c="dimmed" title={wanted.help}>
            {wanted.label}: {t.wants(wanted.min, wanted.max, wanted.types.join(' or '))}
          </Text>
        )}
      </Group>
      <div className="slot" ref={slot} role="group" aria-label={title} tabIndex={-1}>
        {codes.length === 0 && (
          <Text size="sm" c="dimmed">
            {t.emptyRole}
          </Text>
        )}
        <Pill.Group gap={4}>
          {codes.map((code) => (
            <Pill
              key={code}
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
