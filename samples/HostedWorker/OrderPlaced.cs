using System.ComponentModel.DataAnnotations;

namespace HostedWorker;

/// <summary>The message. Its attributes are checked when it is sent and again when it is received.</summary>
internal sealed record OrderPlaced([Required] string Number, string Article, [Range(1, 100)] int Quantity);
