namespace Millrace.App.Migration;

/// <summary>A migration that cannot go on, because somebody else uses one of its stores.</summary>
internal sealed class MigrationException(string message) : MillraceException(message);
