namespace Millrace.Bench.Stomp;

/// <summary>A broker refused something, closed a connection, lost a message or did not start: there is no figure.</summary>
internal sealed class StompFailureException(string message) : MillraceException(message);
