import { Group, Stack, Text, UnstyledButton } from '@mantine/core';
import { type KeyboardEvent, useRef, useState } from 'react';

import type { AlgorithmEntry } from '../api/client';
import { texts } from '../texts/texts';

const STEPS: Record<string, number> = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

/**
 * Every algorithm by the question it answers; one that does not fit says why. One stop of the Tab
 * key: arrows walk, Enter or Space chooses.
 */
export function Gallery({
  algorithms,
  reasons,
  chosen,
  onChoose,
}: {
  algorithms: AlgorithmEntry[];
  reasons: ReadonlyMap<string, string[]>;
  chosen: string | null;
  onChoose: (name: string) => void;
}) {
  const list = useRef<HTMLDivElement>(null);
  const [walked, setWalked] = useState<string | null>(null);
  const questions = [...new Set(algorithms.map((algorithm) => algorithm.question))];
  const ordered = questions.flatMap((question) => algorithms.filter((algorithm) => algorithm.question === question));
  const fitting = (name: string) => reasons.get(name)?.length === 0;
  const stop =
    [walked, chosen].find((name) => ordered.some((algorithm) => algorithm.name === name)) ??
    (ordered.find(({ name }) => fitting(name)) ?? ordered[0])?.name;
  const walk = (event: KeyboardEvent) => {
    const step = event.ctrlKey || event.metaKey || event.altKey ? undefined : STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const from = ordered.findIndex((algorithm) => algorithm.name === stop);
    const to = (from + step + ordered.length) % ordered.length;
    setWalked(ordered[to]?.name ?? null);
    list.current?.querySelectorAll<HTMLElement>('[role="radio"]')[to]?.focus();
  };
  return (
    <Stack gap="sm" role="radiogroup" aria-label={texts.analysis.chooseAlgorithm} ref={list}>
      {questions.map((question) => (
        <div key={question}>
          <Text className="eyebrow">{question}</Text>
          {algorithms
            .filter((algorithm) => algorithm.question === question)
            .map((algorithm) => (
              <Choice
                key={algorithm.name}
                algorithm={algorithm}
                reasons={reasons.get(algorithm.name) ?? []}
                active={algorithm.name === chosen}
                stop={algorithm.name === stop}
                onWalk={walk}
                onChoose={() => onChoose(algorithm.name)}
              />
            ))}
        </div>
      ))}
    </Stack>
  );
}

function Choice({
  algorithm,
  reasons,
  active,
  stop,
  onWalk,
  onChoose,
}: {
  algorithm: AlgorithmEntry;
  reasons: string[];
  active: boolean;
  stop: boolean;
  onWalk: (event: KeyboardEvent) => void;
  onChoose: () => void;
}) {
  const fits = reasons.length === 0;
  return (
    <UnstyledButton
      role="radio"
      aria-checked={active}
      aria-disabled={!fits}
      className="choice"
      data-fits={fits}
      tabIndex={stop ? 0 : -1}
      onKeyDown={onWalk}
      onClick={() => {
        if (fits) onChoose();
      }}
      title={[algorithm.description, ...reasons].join('\n')}
    >
      <Group gap={8} wrap="nowrap" align="baseline">
        <span className="dot" aria-hidden />
        <div>
          <Text size="sm" fw={550}>
            {algorithm.label}
          </Text>
          <Text size="xs" c="dimmed" lh={1.35}>
            {fits ? algorithm.description : reasons[0]}
          </Text>
        </div>
      </Group>
    </UnstyledButton>
  );
}
