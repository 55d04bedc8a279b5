import { Component, type ReactNode } from 'react';

import { texts } from '../texts/texts';
import { ProblemAlert } from './ProblemAlert';

interface Props {
  children: ReactNode;
}

/** Keeps a fault of one screen from blanking the page. */
export class ErrorBoundary extends Component<Props, { fault: Error | null }> {
  override state = { fault: null as Error | null };

  static getDerivedStateFromError(fault: Error) {
    return { fault };
  }

  override render() {
    if (!this.state.fault) return this.props.children;
    return (
      <div className="page">
        <ProblemAlert
          problem={{ ...texts.fault, detail: this.state.fault.message }}
          onRetry={() => this.setState({ fault: null })}
        />
      </div>
    );
  }
}
