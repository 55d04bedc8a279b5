import { Alert, Button, List, Text } from '@mantine/core';

import { ApiError } from '../api/client';
import { texts } from '../texts/texts';

interface Shown {
  title: string;
  detail: string;
  remedy?: string | null | undefined;
  errors?: readonly { path?: string | undefined; message?: string | undefined }[] | undefined;
}

/** What went wrong, and what to do. */
export function ProblemAlert({
  error,
  problem,
  color = 'red',
  onRetry,
}: {
  error?: Error | null;
  problem?: Shown;
  color?: string;
  onRetry?: () => void;
}) {
  const shown: Shown | undefined =
    problem ??
    (error instanceof ApiError
      ? error.problem
      : error
        ? { title: error.name, detail: error.message }
        : undefined);
  if (!shown) return null;
  return (
    <Alert color={color} title={shown.title} role="alert" variant="light" className="problem">
      <Text size="sm">{shown.detail}</Text>
      {shown.errors && shown.errors.length > 0 && (
        <List size="sm" mt="xs">
          {shown.errors.map((part, index) => (
            <List.Item key={index}>
              <b>{part.path}</b>: {part.message}
            </List.Item>
          ))}
        </List>
      )}
      {shown.remedy && (
        <Text size="sm" mt="xs" fw={550}>
          {shown.remedy}
        </Text>
      )}
      {onRetry && (
        <Button mt="sm" size="xs" variant="default" onClick={onRetry}>
          {texts.retry}
        </Button>
      )}
    </Alert>
  );
}
