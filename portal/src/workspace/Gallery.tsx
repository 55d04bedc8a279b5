import { Group, Stack, Text, UnstyledButton } from '@mantine/core';

import type { AlgorithmEntry } from '../api/client';
import { texts } from '../texts/en';

/** Every algorithm by the question it answers; one that does not fit says why. */
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
  const questions = [...new Set(algorithms.map((algorithm) => algorithm.question))];
  return (
    <Stack gap="sm" role="radiogroup" aria-label={texts.analysis.chooseAlgorithm}>
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
  onChoose,
}: {
  algorithm: AlgorithmEntry;
  reasons: string[];
  active: boolean;
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
