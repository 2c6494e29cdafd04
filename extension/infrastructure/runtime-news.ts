/** What the runtime says unasked, as events of whichever process speaks at the time. Knows nothing of VS Code. */
import { Emitter, type Event, type MessageConnection, type NotificationType } from 'vscode-jsonrpc';
import {
  DecayProgressNotification,
  RecordsChangedNotification,
  ReproduceEventNotification,
  RunEventNotification,
  ToldNotification,
  TransferNotification,
  VerifyProgressNotification,
} from '../../runtime/rpc/protocol.ts';

export class RuntimeNews {
  readonly #listen: ((connection: MessageConnection) => void)[] = [];

  readonly onRunEvent = this.#eventOf(RunEventNotification);
  readonly onReproduceEvent = this.#eventOf(ReproduceEventNotification);
  readonly onTransfer = this.#eventOf(TransferNotification);
  readonly onTold = this.#eventOf(ToldNotification);
  readonly onDecayProgress = this.#eventOf(DecayProgressNotification);
  readonly onVerifyProgress = this.#eventOf(VerifyProgressNotification);
  readonly onRecordsChanged = this.#eventOf(RecordsChangedNotification);

  /** Takes in what a process says. */
  protected hear(connection: MessageConnection): void {
    for (const listen of this.#listen) listen(connection);
  }

  #eventOf<Message>(type: NotificationType<Message>): Event<Message> {
    const emitter = new Emitter<Message>();
    this.#listen.push((connection) => {
      connection.onNotification(type, (message) => emitter.fire(message));
    });
    return emitter.event;
  }
}
